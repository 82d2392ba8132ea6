-- cpu: an endless loop in export.
function update(pkt, state) end
function export(state, long, args)
  while true do end
end
