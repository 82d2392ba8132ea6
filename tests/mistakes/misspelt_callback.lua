-- Packets.
function init() return { n = 0 } end
function udpate(pkt, state) state.n += pkt.packets end
function exprot(state) return { n = state.n } end
