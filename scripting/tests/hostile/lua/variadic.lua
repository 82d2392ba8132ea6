-- any: the same long text, thousands of times, to functions that take a few.
local long = string.rep("x", 2 ^ 22)
local t = table.create(7900, long)
function update(pkt)
  pcall(function() log(table.unpack(t)) end)
  for _, f in { net.family, text.hex, time.now, hash.number, dns.id, sum, count } do
    pcall(function() f(table.unpack(t)) end)
  end
end
function export() return { n = 1 } end
