-- Web traffic, told apart by the script.
local web = filter("tcp and prot 80")
local dns = filter("udp port dns53")

function init() return { n = 0 } end
function update(pkt, state)
  if web(pkt) or dns(pkt) then state.n += pkt.packets end
end
function export(state) return { n = state.n } end
