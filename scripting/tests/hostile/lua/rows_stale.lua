-- error: rows of an interval that has closed.
function update(pkt, state) end
function export(state, long, args)
  if long.rows then return long.rows end
  error("not yet")
end
