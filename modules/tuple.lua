-- Packets and bytes of every flow, by five-tuple, in each interval.
--
-- Ports are 0 where a protocol has none. The original's `compact` is gone: records
-- are stored in columns, which is smaller still.
args = {
  mask = 32, -- bits of the addresses that count; IPv6 keeps twice as many
}

key = {
  src = `ip.src/{args.mask}`,
  dst = `ip.dst/{args.mask}`,
  proto = "ip.proto",
  sport = "sport",
  dport = "dport",
}
value = { packets = count(), bytes = sum("len") }
