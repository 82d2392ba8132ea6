-- cpu: two coroutines that wake each other for ever.
function init() return {} end
function update(pkt, state)
  local a
a = coroutine.wrap(function() while true do coroutine.yield() end end)
while true do a() end
end
function export(state) return { n = 1 } end
