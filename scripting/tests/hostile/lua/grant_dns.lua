-- grants: names that nobody granted, and what is no name.
function update() end
function export()
  for n = 1, 1000 do pcall(dns.addr_of, n .. ".example.com") end
  for _, odd in { "", ".", string.rep("x", 10 ^ 6), "a b", "\0", 0 / 0, {}, -1 } do
    pcall(dns.addr_of, odd)
    pcall(dns.name_of, odd)
  end
  return { got = dns.name_of("10.0.0.1") }
end
