-- Packets and bytes by class of application, told by ports and protocols.
--
-- A class is NAME=PORT,PORT,... or a protocol by its number, as in icmp=p1. The
-- destination port decides, then the source port, then the protocol. The original
-- took a class after the other (`class=web 80 tcp=...`); here they are one text.
args = {
  classes = "web=80,443,8080 mail=25,110,143,465,587,993,995 dns=53,853,5353 ssh=22 "
    .. "files=20,21,139,445,2049 time=123 icmp=p1,p58 routing=179,p89 tunnel=500,1194,4500,p47,p50",
  interval = "5s",
}

local by_port, by_proto = {}, {}
for name, members in args.classes:gmatch("(%S+)=(%S+)") do
  for proto, number in members:gmatch("(p?)(%d+)") do
    (if proto == "p" then by_proto else by_port)[tonumber(number)] = name
  end
end

function init()
  return { packets = {}, bytes = {} }
end

function update(pkt, state)
  local name = pkt.dport and (by_port[pkt.dport] or by_port[pkt.sport])
    or pkt.ip.proto and by_proto[pkt.ip.proto]
    or "other"
  state.packets[name] = (state.packets[name] or 0) + pkt.packets
  state.bytes[name] = (state.bytes[name] or 0) + pkt.bytes
end

function export(state)
  local rows = {}
  for name, packets in state.packets do
    table.insert(rows, { class = name, packets = packets, bytes = state.bytes[name] })
  end
  table.sort(rows, function(a, b)
    return a.class < b.class
  end)
  return rows
end
