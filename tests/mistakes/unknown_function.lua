-- Packets and bytes.
key = { proto = "ip.proto" }
value = { packets = cout(), bytes = sum("len") }
