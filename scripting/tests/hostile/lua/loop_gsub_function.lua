-- cpu: an endless loop in what gsub calls.
function init() return {} end
function update(pkt, state)
  string.gsub("x", "x", function() while true do end end)
end
function export(state) return { n = 1 } end
