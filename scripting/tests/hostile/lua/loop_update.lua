-- cpu: an endless loop for a packet.
function init() return {} end
function update(pkt, state)
  while true do end
end
function export(state) return { n = 1 } end
