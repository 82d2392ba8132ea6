--- What a script catches of the host's errors is text, as its own errors are; a limit that was
-- passed is not caught at all.

local ours = ...
local error, type, info = error, type, debug.info

-- What Luau says where the memory is up, which is a limit as well.
local MEMORY = "not enough memory"

local function caught(ok, ...)
  if not ok and (...) == MEMORY then
    error((...), 0)
  elseif ok or type((...)) ~= "userdata" then
    return ok, ...
  end
  local told = ours.told((...))
  if told == nil then
    error((...), 0)
  end
  return false, told
end

local function is_ours(file)
  return file == "library" or file:sub(1, 7) == "__mlua_"
end

-- A text that names no line of the script's gets the one that it came of, unless the script has
-- raised it so itself. `thread` is where that was, if it is another.
local function placed(text, thread)
  local head = text:sub(1, 256)
  local file, behind = head:match("^([^:\n]+):%d+: ()")
  if file and not is_ours(file) then
    return text
  end
  local bare = if file then text:sub(behind) else text
  local level, frame = 1, info
  if thread then
    level, frame = 0, function(at, what)
      return info(thread, at, what)
    end
  end
  while frame(level, "s") == "library" do
    level += 1
  end
  if frame(level, "f") == error and frame(level + 1, "s") ~= "library" then
    return text
  end
  local source, line = frame(level, "sl")
  while source and (source == "[C]" or is_ours(source)) do
    level += 1
    source, line = frame(level, "sl")
  end
  return if source then `{source}:{line}: {bare}` else bare
end

-- What is told to whoever catches it: nil of a limit.
local function told(thrown)
  if thrown == MEMORY then
    return nil
  end
  return if type(thrown) == "string" then placed(thrown) else ours.told(thrown)
end

local function handle(thrown)
  local said = told(thrown)
  return if said == nil then thrown else said
end

local watched, resume = xpcall, coroutine.resume
function pcall(f, ...)
  return caught(watched(f, handle, ...))
end

function xpcall(f, handler, ...)
  if type(handler) ~= "function" then
    return watched(f, handler, ...)
  end
  return caught(watched(f, function(thrown)
    local said = told(thrown)
    return if said == nil and thrown ~= nil then thrown else handler(said)
  end, ...))
end

local function resumed(thread, ok, ...)
  if not ok and type((...)) == "string" and (...) ~= MEMORY then
    return ok, placed((...), thread)
  end
  return caught(ok, ...)
end

function coroutine.resume(thread, ...)
  return resumed(thread, resume(thread, ...))
end

local function given(ok, ...)
  if not ok then
    error((...), 0)
  end
  return ...
end

-- Natively the place of the call would come before that of the error.
local create, wrap = coroutine.create, coroutine.wrap
function coroutine.wrap(f)
  if type(f) ~= "function" then
    return wrap(f)
  end
  local thread = create(f)
  return function(...)
    return given(resumed(thread, resume(thread, ...)))
  end
end
