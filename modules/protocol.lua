-- Packets and bytes by IP protocol number.
--
-- As in the original, of IPv4; and of IPv6, where the number is the one behind
-- the extension headers.
key = { proto = "ip.proto" }
value = { packets = count(), bytes = sum("len") }
