# The one service of a copy of the machine that a test steers from outside: it says that systemd has come up, and keeps it up.
echo up
exec sleep infinity
