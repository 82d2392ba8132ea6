-- Everything is wrong with it.
filter = "tcp port"
key = { addr = "ip.scr" }
value = { packets = cout(), bytes = sum("lenn") }
rwos = 10

function exprot(table, long, args)
  return table:top("bytes", args.n)
end

function check(pkt, state)
  return pkt.tcp.dprot == 80
end
