--- fmt: numbers for eyes.
--
-- * `fmt.count(n)`: `950`, `1.2 k`, `3.4 M`.
-- * `fmt.bytes(n)`: `950 B`, `1.2 KiB`, `3.4 MiB`.
-- * `fmt.rate(bits)`: bits in a second: `950 bit/s`, `1.2 kbit/s`, `3.4 Mbit/s`.
-- * `fmt.duration(seconds)`: `250 µs`, `1.5 ms`, `42 s`, `3 min 5 s`, `2 h 10 min`, `4 d 1 h`.
-- * `fmt.share(x)`: of one: `12.5 %`.
--
-- What is no number shows as `nan`, what is from 9e15 of the largest unit on as `inf` or `-inf`.
--
-- ```lua
-- -- Traffic, shown as people say it.
-- local fmt = require("fmt")
-- value = { packets = count(), bytes = sum("len"), longest = max("len") }
--
-- function print(record, format)
--   return `{fmt.count(record.packets)} packets, {fmt.rate(record.bytes * 8)}`
-- end
--
-- function export(table)
--   local row = table:find()
--   local bytes = row and row.bytes or 0
--   return { packets = row and row.packets or 0, bytes = bytes, text = fmt.bytes(bytes) }
-- end
-- ```

local fmt = {}

-- What is shown in place of what is no number, and of what is beyond all that is counted.
local function odd(x)
  if x ~= x then
    return "nan"
  elseif math.abs(x) >= 9e15 then
    return if x < 0 then "-inf" else "inf"
  end
  return nil
end

-- With one digit behind the point, where that is not 0.
local function short(x)
  return odd(x) or tostring(math.floor(x * 10 + 0.5) / 10)
end

-- `x` in the largest of the units that is not larger than it, each `step` of the one before.
local function scaled(x, step, units)
  local at = 1
  while at < #units and math.abs(x) >= step * 0.99995 do
    x /= step
    at += 1
  end
  return odd(x) or `{short(x)} {units[at]}`
end

function fmt.count(n)
  return if math.abs(n) < 1000 then short(n) else scaled(n, 1000, { "", "k", "M", "G", "T" })
end

function fmt.bytes(n)
  return scaled(n, 1024, { "B", "KiB", "MiB", "GiB", "TiB", "PiB" })
end

function fmt.rate(bits)
  return scaled(bits, 1000, { "bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s" })
end

function fmt.share(x)
  return odd(x * 100) or `{short(x * 100)} %`
end

function fmt.duration(seconds)
  if odd(seconds) then
    return odd(seconds)
  end
  if seconds < 0 then
    return `-{fmt.duration(-seconds)}`
  end
  if seconds < 0.001 then
    return `{short(seconds * 1e6)} µs`
  elseif seconds < 1 then
    return `{short(seconds * 1e3)} ms`
  elseif seconds < 60 then
    return `{short(seconds)} s`
  end
  local whole = math.floor(seconds)
  if whole < 3600 then
    return `{whole // 60} min {whole % 60} s`
  elseif whole < 86400 then
    return `{whole // 3600} h {whole % 3600 // 60} min`
  end
  return `{whole // 86400} d {whole % 86400 // 3600} h`
end

return fmt
