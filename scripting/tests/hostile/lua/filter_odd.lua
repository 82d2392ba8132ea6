-- refused: no text at all as a filter.
for _, odd in { 0 / 0, {}, true, 2 ^ 70, addr("10.0.0.1"), filter("udp") } do
  local ok = pcall(filter, odd)
  assert(not ok or type(odd) == "number")
end
filter(nil)
value = { n = count() }
