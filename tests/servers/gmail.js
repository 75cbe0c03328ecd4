// node gmail.js HOODIECROW USER PASSWORD : one mailbox that behaves like Gmail's over IMAP. Prints its port.
//
// hoodiecrow-imap (npm) knows the words of X-GM-EXT-1 and says itself that its labels have no effect. Here they have:
// a message lies in All Mail and in a folder for each of its labels, under one X-GM-MSGID, with the same flags
// everywhere. Adding a label makes it appear in that folder, dropping one makes it vanish there. MOVE, COPY and
// EXPUNGE change labels too, and never delete. As at Gmail, a folder's own label cannot be dropped from inside of it.
// https://developers.google.com/workspace/gmail/imap/imap-extensions
"use strict";
const [, , hoodiecrow, user, password] = process.argv;
const ALL = "[Gmail]/All Mail";
const server = require(hoodiecrow)({
  plugins: ["ID", "SASL-IR", "NAMESPACE", "ENABLE", "LITERALPLUS", "UNSELECT", "SPECIAL-USE", "X-GM-EXT-1", "MOVE", "UIDPLUS"],
  users: { [user]: { password } },
  storage: {
    INBOX: {},
    "": {
      separator: "/",
      folders: {
        "[Gmail]": {
          flags: ["\\Noselect"],
          folders: {
            "All Mail": { "special-use": "\\All" },
            Spam: { "special-use": "\\Junk" },
            Trash: { "special-use": "\\Trash" },
            Starred: { "special-use": "\\Flagged" },
          },
        },
      },
    },
  },
});

server.registerCapability("X-GM-EXT-1");

const labelOf = (folder) => (folder.path.toUpperCase() === "INBOX" ? "\\Inbox" : folder.path);
const folderOf = (label) => server.getMailbox(label === "\\Inbox" ? "INBOX" : label);
const lyingIn = (folder, message) => folder.messages.find((one) => one["X-GM-MSGID"] === message["X-GM-MSGID"]);
const exists = (folder) =>
  server.notify({ tag: "*", attributes: [folder.messages.length, { type: "ATOM", value: "EXISTS" }] }, folder);

// The same message in one more folder: a UID of its own, and everything else shared.
function show(message, folder) {
  if (lyingIn(folder, message)) return;
  const shown = { raw: message.raw, internaldate: message.internaldate, "X-GM-MSGID": message["X-GM-MSGID"] };
  folder.messages.push(shown);
  server.processMessage(shown, folder);
  shown.flags = message.flags;
  shown["X-GM-LABELS"] = message["X-GM-LABELS"];
  exists(folder);
}

function add(message, label) {
  if (!folderOf(label)) server.createMailbox(label);
  server.ensureFlag(message["X-GM-LABELS"], label);
  show(message, folderOf(label));
}

function drop(connection, message, label) {
  const folder = folderOf(label);
  server.removeFlag(message["X-GM-LABELS"], label);
  if (folder) connection.expungeSpecificMessages(folder, (one) => one["X-GM-MSGID"] === message["X-GM-MSGID"], false, true);
}

const appended = server.appendMessage;
server.appendMessage = function (...given) {
  const result = appended.apply(server, given);
  result.message["X-GM-LABELS"] = result.mailbox.path === ALL ? [] : [labelOf(result.mailbox)];
  show(result.message, server.getMailbox(ALL));
  return result;
};

// What STORE answers is the original's business: it is given labels that make no difference to it.
for (const sign of ["+", "-"]) {
  const answered = server.storeHandlers[sign + "X-GM-LABELS"];
  server.storeHandlers[sign + "X-GM-LABELS"] = function (connection, message, labels, index, parsed, data) {
    for (const each of labels) {
      const label = ((each && each.value) || each).toString();
      if (sign === "+") add(message, label);
      else if (label !== labelOf(connection.selectedMailbox)) drop(connection, message, label);
    }
    answered(connection, message, [], index, parsed, data);
  };
}

function transfer(moving) {
  return function (connection, parsed, data, callback) {
    const say = (command, value) =>
      connection.send({ tag: parsed.tag, command, attributes: [{ type: "TEXT", value }] }, "GMAIL", parsed, data);
    const target = server.getMailbox(parsed.attributes[1].value);
    if (!target) {
      say("NO", "[TRYCREATE] No folder of that name");
      return callback();
    }
    const source = connection.selectedMailbox;
    for (const [, message] of server.getMessageRange(source, parsed.attributes[0].value, true)) {
      if (target.path === ALL) show(message, target);
      else add(message, labelOf(target));
      if (moving && source !== target && source.path !== ALL) drop(connection, message, labelOf(source));
    }
    say("OK", "Success");
    return callback();
  };
}
server.setCommandHandler("UID MOVE", transfer(true));
server.setCommandHandler("UID COPY", transfer(false));

// hoodiecrow says BAD to a name that it does not know.
server.outputHandlers.push((connection, response) => {
  const said = (response.attributes || []).find((one) => one && one.value === "Invalid mailbox name");
  if (response.command === "BAD" && said) {
    response.command = "NO";
    said.value = "[NONEXISTENT] Unknown Mailbox (Failure)";
  }
});

server.server.listen(0, "127.0.0.1", () => console.log(server.server.address().port));
// The test holds the other end: when it is gone, so are we.
process.stdin.on("end", () => process.exit(0)).resume();
