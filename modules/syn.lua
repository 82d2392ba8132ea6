-- Attempts to connect: TCP packets that open a connection.
--
-- A packet with SYN and without ACK. Twice as many from one host as usual, and no
-- more connections, is how a scan or a flood begins.
filter = "tcp.flags.syn and not tcp.flags.ack"
value = { packets = count(), bytes = sum("len") }
