-- cpu: pcall around an endless loop, for ever.
function init() return {} end
function update(pkt, state)
  while true do pcall(function() while true do end end) end
end
function export(state) return { n = 1 } end
