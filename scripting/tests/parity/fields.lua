-- Every kind of field, and what is absent.
function init(args)
  return { syn = 0, ports = 0, arp = 0, six = 0, ttl = 0, early = 0, payload = 0, eth = 0 }
end
function update(pkt, state)
  if pkt.tcp.flags.syn then state.syn += 1 end
  state.ports += (pkt.sport or 0) + (pkt.dport or 0)
  if pkt.ip.src == nil then state.arp += pkt.arp.op end
  if pkt.ip.src and pkt.ip.src.is_v6 then state.six += 1 end
  state.ttl += pkt.ip.ttl or 0
  if pkt.ts < 1001.5 then state.early += 1 end
  state.payload += pkt.payload.len or 0
  if tostring(pkt.eth.src) == '02:00:00:00:00:01' then state.eth += 1 end
end
function export(state) return state end
