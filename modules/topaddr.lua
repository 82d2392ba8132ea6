-- Top addresses by bytes.
--
-- By destination unless told otherwise, of IPv4 and IPv6 alike. The original knew
-- IPv4 only, called `n` `topn`, which is understood, and had `align-to`: here
-- intervals always begin at multiples of their length.
args = {
  n = 20, -- how many addresses
  use_dst = true, -- count by destination
  use_src = false, -- count by source instead
  mask = 32, -- bits that count; IPv6 keeps twice as many
  interval = "5s",
}

local field = if args.use_src or not args.use_dst then "ip.src" else "ip.dst"
key = { addr = `{field}/{args.mask}` }
value = { bytes = sum("len"), packets = count() }

function export(table, long, args)
  return table:top("bytes", args.n)
end
