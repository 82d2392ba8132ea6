-- any: payloads that are asked for with arguments beyond all bounds.
function init() return { n = 0 } end
function update(pkt, state)
  local far = { 0 / 0, 1 / 0, -1 / 0, 1e300, -1e300, 2 ^ 31, -2 ^ 31, 2 ^ 53 }
  for _, x in far do
    pcall(function() return pkt.payload:byte(x, -x) end)
    pcall(function() return pkt.payload:find("", x, true) end)
    pcall(function() return pkt.payload:find(("a"):rep(65536), x) end)
    pcall(function() return text.uint(pkt.payload, x, 6) end)
    pcall(function() return pkt.payload:sub(x, x) end)
    pcall(function() return dns.answer_addr(pkt.payload, x) end)
    pcall(function() return regex.find("(", pkt.payload, x) end)
    pcall(function() return text.part(pkt.payload, x, -x) end)
  end
  state.n += 1
end
function export(state) return { n = 1 } end
