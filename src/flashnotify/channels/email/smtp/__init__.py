"""Email over SMTP: the transport, its sessions, and the errors of servers."""
