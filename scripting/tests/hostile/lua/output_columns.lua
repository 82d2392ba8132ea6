-- error: a record of five thousand columns.
function update(pkt, state) end
function export(state, long, args)
  local t = {}
  for i = 1, 5000 do t["c" .. i] = i end
  return t
end
