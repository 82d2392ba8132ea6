-- any: what is no address, looked up, while packets pass.
function update(pkt)
  for _, odd in { 0 / 0, 2 ^ 63, -1, "", "::/0", {}, true, string.rep(":", 10 ^ 5) } do
    pcall(net.asn, odd)
    pcall(net.country, odd)
    pcall(net.prefix, odd, odd)
    pcall(net.prefix, "10.0.0.1", odd)
  end
  net.asn()
end
function export() return { n = net.asn("10.0.0.1") } end
