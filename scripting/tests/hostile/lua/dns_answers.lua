-- any: messages with answers that point anywhere, cut anywhere.
function update()
  local head = text.unhex("1234 8180 0004 ffff 0000 0000")
  for _, body in { "c00c", "c00cc00c", "03", "3f", "ff", "00", "00 0001 0001 c00c 0001 0001 ffffffff ffff" } do
    local message = head .. string.rep(text.unhex(body), 50)
    for n = 1, 70 do
      for _, f in { dns.answer_name, dns.answer_type, dns.answer_ttl, dns.answer_addr, dns.answer_text } do f(message, n) end
    end
  end
  for _, odd in { 0, -1, 0.5, 0 / 0, 2 ^ 53, {}, "x" } do pcall(dns.answer_ttl, head, odd) end
end
function export() return { n = 1 } end
