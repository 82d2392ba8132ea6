-- output|cpu|rows|memory: a million records of one.
function update(pkt, state) end
function export(state, long, args)
  local r, t = { a = 1 }, {}
  for i = 1, 2 ^ 20 + 5 do t[i] = r end
  return t
end
