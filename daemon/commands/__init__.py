"""What each `postroom` command does: `postroom undo` is the function `undo` of `daemon.commands.undo`.

A command reads its options, calls one function of the daemon and shows what it returns: as a table for people, as JSON
with --json. Errors are raised, worded by whoever found them, and printed in one place, `daemon.cli`.
"""

from __future__ import annotations

from collections.abc import Mapping

SECTIONS: Mapping[str, Mapping[str, str]] = {
    "Getting started": {
        "demo": "See it work: a mail server, an office's sample mail, the real service, a person who corrects it, "
        "a better model.",
        "init": "Write the settings for a mailbox: ask, sign in, show its folders, and keep the secret apart.",
        "install-service": "Make a system service of this installation: systemd unit, user, command, man page and "
        "completion.",
        "check": "Log in everywhere, look for every folder, the models and the disk.",
        "login": "Sign in to Microsoft 365 or Google for MAILBOX, once, and test whether it opens.",
        "folders": "What every folder is for, and why: guessed from its name or the server's word, or said by the "
        "settings.",
        "learn": "Collect the first lessons and train the first model.",
        "preview": "What would happen to the newest messages in the inbox.",
        "rehearse": "How would Postroom have done on this mail? Moves nothing.",
        "try": "Say what can be learnt from a file of examples, and make a model that answers.",
        "config": "The settings as they count now: file, environment and defaults together.",
    },
    "Running": {
        "run": "Run the service: look at every mailbox on schedule, train at night.",
        "once": "One pass by hand: look, learn from corrections, sort what is due.",
        "live": "Let Postroom move or tag mail from now on: of these categories alone, or of the whole mailbox.",
        "shadow": "Decide and count, but move nothing: of these categories alone, or of the whole mailbox.",
        "pause": "Stop sorting, for maintenance.",
        "resume": "Go on after `pause`, or after Postroom paused or stopped by itself.",
        "sort": "Sort mail that lay in the inbox before Postroom came: a few messages a minute, beside what arrives.",
        "undo": "Put back what Postroom moved, and take off what it tagged, as far as nobody has touched it since.",
        "uninstall-service": "Stop the service and take away its unit, command, man page and completion; settings and "
        "lessons stay.",
        "forget": "Forget a person: every lesson whose mail holds the address, and every model that may have learnt "
        "from one.",
        "alarm": "Try whether somebody is told: run `[alarm] command` with a trial alarm, and show what it prints.",
        "mailbox": "One mailbox as a whole: `reset` forgets it and begins anew.",
        "backup": "Write all that Postroom remembers into one new FILE, also while the service runs.",
        "restore": "Bring back what `backup` wrote into FILE, while no service runs here.",
    },
    "Asking": {
        "status": "How every mailbox is doing: the last look, what was filed, what people did about it.",
        "why": "Why a message is where it is: everything that Postroom thought, did and saw.",
        "report": "Write a page with pictures: mail a week, agreement, the risk-coverage curve, what is taken for "
        "what.",
        "corrections": "List what people moved or tagged, newest first: the ledger that Postroom learns from.",
        "lessons": "Show what there is to learn from: how many lessons each category has, from where, and what is "
        "wrong with them.",
        "privacy-report": "What this installation holds of people's mail, since when and for how long: for the record "
        "of processing.",
        "models": "List the trained models, newest first, each with its exam in a sentence.",
    },
    "Models": {
        "train": "Train now instead of tonight: learn, take the exam, promote the new model only if it is no worse.",
        "promote": "Put another model into use.",
        "rollback": "Go back to the model that was in use before.",
        "model": "The base models: what every training starts from.",
    },
}
"""Every command and the first sentence of its help, in the order and under the headings of docs/commands.md.

`postroom --help` shows these, so that it need not load what all commands work with.
"""

MODULES: Mapping[str, str] = {
    "mailbox": "whole_mailbox",
    "sort": "sort_backlog",
    "privacy-report": "privacy_report",
    "try": "try_file",
    "install-service": "install_service",
    "uninstall-service": "uninstall_service",
}
"""Where a command's name is no name in Python, or another module's: its module and its function."""
