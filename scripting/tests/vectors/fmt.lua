-- fmt: what its functions give.
local test, fmt = require("test"), require("fmt")

local function all(f, list)
  for at, one in list do list[at] = f(one) end
  return list
end
test.equal(all(fmt.count, { 0, 950, 1234, -2500000, 7e12, 9.96e5 }),
  { "0", "950", "1.2 k", "-2.5 M", "7 T", "996 k" })
test.equal(all(fmt.bytes, { 0, 1023, 1024, 3565158, 2 ^ 60, 1048575 }),
  { "0 B", "1023 B", "1 KiB", "3.4 MiB", "1024 PiB", "1 MiB" })
test.equal(all(fmt.rate, { 0.25, 999, 1200, 3.44e9 }),
  { "0.3 bit/s", "999 bit/s", "1.2 kbit/s", "3.4 Gbit/s" })
test.equal(all(fmt.share, { 0.125, 1, 0.33333 }), { "12.5 %", "100 %", "33.3 %" })
test.equal(all(fmt.duration, { 0, 0.00025, 0.0015, 42, 59.94, 185, 7800, 349200, -1.5 }),
  { "0 µs", "250 µs", "1.5 ms", "42 s", "59.9 s", "3 min 5 s", "2 h 10 min", "4 d 1 h", "-1.5 s" })

for _, f in { fmt.count, fmt.bytes, fmt.rate, fmt.share, fmt.duration } do
  test.equal(all(f, { 0 / 0, 1 / 0, -1 / 0, 1e300 }), { "nan", "inf", "-inf", "inf" })
end

value = { n = count() }
