-- error: NaN and huge numbers into a table.
key = { a = "ip.dst" }
value = { n = count() }
function export(table)
  for _, n in { 0 / 0, 1 / 0, -1, 2 ^ 63, 1e300 } do table:top("n", n) end
  table:find(0 / 0, {}, print)
  return table[0 / 0]
end
