-- Top ports by bytes, of TCP and UDP.
--
-- By destination port unless told otherwise. The original also printed the names
-- of services, which are a matter of showing, not of counting.
args = {
  n = 20, -- how many ports
  use_src = false, -- count by source port instead of by destination port
  interval = "5s",
}

key = { port = if args.use_src then "sport" else "dport" }
value = { bytes = sum("len"), packets = count() }

function export(table, long, args)
  return table:top("bytes", args.n)
end
