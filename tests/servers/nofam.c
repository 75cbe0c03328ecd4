/* A file alteration monitor that is never there: see fetch.sh. */
int FAMErrno;
int FAMOpen(void *connection) { return -1; }
int FAMOpen2(void *connection, const char *name) { return -1; }
int FAMClose(void *connection) { return 0; }
int FAMMonitorDirectory(void *connection, const char *folder, void *request, void *data) { return -1; }
int FAMMonitorFile(void *connection, const char *file, void *request, void *data) { return -1; }
int FAMNextEvent(void *connection, void *event) { return -1; }
int FAMPending(void *connection) { return 0; }
int FAMCancelMonitor(void *connection, const void *request) { return -1; }
