-- What a packet reads as, counted.
function init(args, last)
  return { packets = 0, bytes = 0, syn = 0, acks = 0, ports = 0, no_ip = 0, later = 0, tagged = 0,
           first = nil, all = last and last.all or 0 }
end

function update(pkt, state)
  state.packets = state.packets + pkt.packets
  state.bytes = state.bytes + pkt.bytes
  state.all = state.all + 1
  if pkt.tcp.flags.syn then state.syn = state.syn + 1 end
  if pkt.tcp and pkt.tcp.flags >= 16 then state.acks = state.acks + 1 end
  if pkt.ip.src == nil then state.no_ip = state.no_ip + 1 end
  if pkt.udp and pkt.udp.dport == nil then state.later = state.later + 1 end
  if pkt.vlan.id == 7 then state.tagged = state.tagged + pkt.len end
  if pkt.dport then state.ports = state.ports + pkt.dport end
  if state.first == nil then state.first = pkt.ip.src end
end

function export(state)
  return { packets = state.packets, bytes = state.bytes, syn = state.syn, acks = state.acks,
           ports = state.ports, no_ip = state.no_ip, later = state.later, tagged = state.tagged,
           first = state.first, all = state.all }
end
