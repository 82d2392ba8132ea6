-- cpu: pcall in one coroutine after the other.
function init() return {} end
function update(pkt, state)
  while true do coroutine.wrap(function() pcall(function() while true do end end) end)() end
end
function export(state) return { n = 1 } end
