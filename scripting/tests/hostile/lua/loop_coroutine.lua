-- cpu: an endless loop in a coroutine.
function init() return {} end
function update(pkt, state)
  coroutine.wrap(function() while true do end end)()
end
function export(state) return { n = 1 } end
