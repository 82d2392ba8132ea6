-- error: a record that holds itself.
function update(pkt, state) end
function export(state, long, args)
  local t = {} t.t = t
  return t
end
