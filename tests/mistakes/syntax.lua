-- Packets.
function init() return { n = 0 } end

function update(pkt, state)
  if pkt.tcp then
    state.n += pkt.packets
end

function export(state) return { n = state.n } end
