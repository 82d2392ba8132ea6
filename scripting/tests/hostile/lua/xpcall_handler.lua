-- cpu: a handler of errors that loops too.
function init() return {} end
function update(pkt, state)
  xpcall(function() while true do end end, function() while true do end end)
  while true do end
end
function export(state) return { n = 1 } end
