-- Sums of what is no number.
function init() return { n = 0, hosts = {} } end

function update(pkt, state)
  state.n += "one" .. pkt.packets
end

function export(state) return { n = state.n, long = string.rep(state.hosts, 3) } end
