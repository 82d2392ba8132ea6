-- Packets by protocol.
filtr = "ip"
key = { proto = "ip.proto" }
valeu = { packets = count() }
backgrounds = "1h"
