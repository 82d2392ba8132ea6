-- cpu: pcall around one endless loop, and a quiet end.
function init() return {} end
function update(pkt, state)
  pcall(function() while true do end end)
end
function export(state) return { n = 1 } end
