-- error: a row set kept for the next interval.
key = { a = "ip.dst" }
value = { n = count() }
local kept
function export(table)
  if kept then return kept end
  kept = table:top("n", 5)
end
