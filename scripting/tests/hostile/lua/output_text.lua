-- output|memory: one long text in a million records.
function update(pkt, state) end
function export(state, long, args)
  local s, t = ("x"):rep(2 ^ 20), {}
  local r = { s = s }
  for i = 1, 100 do t[i] = r end
  return t
end
