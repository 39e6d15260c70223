// What Envoy has no setting for, as a Lua filter in front of all others: the one form of a path (routing/match/path.ts, step by step),
// 421, query parameters decoded for the matches, and methods that end here. What fails in it refuses the request.
import type { Split } from './host-entries.ts';
import { GUARD, luaFilter, luaText } from './lua.ts';
import { SHARD_HEADER } from './names.ts';
import { METADATA, queryKey } from './routes/match.ts';
import { type HeaderPlan, isFieldName } from '../../routing/filters/header-changes.ts';
import type { Message } from './tree.ts';

/** What a connection is for: constants of the script of its filter chain. */
export interface GuardedConnection {
  /** Key of the frontend that its server name chose; undefined: no TLS. */
  readonly frontend?: string;
  /** What was asked of the client (`validationOf`). */
  readonly validation: string;
  /** Octets of a target. */
  readonly targetBytes: number;
  /** Octets of a body that waits. */
  readonly keptBytes: number;
  /** The route that the guard finds is the one that the request gets. */
  readonly settles: boolean;
}

/** What the guard has to know of a virtual host. */
export interface GuardedHost {
  /** Key of the frontend that it belongs to. */
  readonly frontend: string;
  /** Set when the frontend insists on client certificates. */
  readonly insists?: string;
  /** Names of query parameters that its matches ask for. */
  readonly queries: readonly string[];
  /** Some of its routes have metadata for the guard. */
  readonly told: boolean;
  /** What is changed in every request before a route is looked for. */
  readonly before: HeaderPlan;
  /** Octets of a body that a service is told as a whole. */
  readonly body?: number | undefined;
  /** Its routes are elsewhere: the beginning of the names of their tables. */
  readonly parts?: (Split & { readonly names: string }) | undefined;
}

export function guardFilter(connection: GuardedConnection): Message {
  return luaFilter(keptConstant(connection.keptBytes) + constants(connection) + script);
}

/**
 * Behind what may have changed the route: the part of the guard that depends on it.
 * @param keptBytes of a body that waits
 */
export function settlingFilter(keptBytes: number): Message {
  return luaFilter(keptConstant(keptBytes) + settling);
}

/** Metadata of a VirtualHost. */
export function guardMetadata(host: GuardedHost): Message {
  return {
    filter_metadata: {
      [GUARD]: {
        frontend: host.frontend,
        ...(host.insists === undefined ? {} : { insists: host.insists }),
        ...(host.queries.length > 0 ? { queries: [...host.queries] } : {}),
        ...(host.told ? { told: true } : {}),
        ...(host.parts === undefined ? {} : { parts: host.parts.names, depth: host.parts.depth, of: host.parts.parts }),
        ...(host.body === undefined ? {} : { body: host.body }),
        ...changes(host.before),
      },
    },
  };
}

export interface GuardedRoute {
  /** It redirects to the host that the client named: without a port. */
  readonly bare: boolean;
  /** It times its attempts, and repeats none. */
  readonly once: boolean;
  /** What is changed before anybody is asked about the request. */
  readonly before: HeaderPlan;
  /** Octets of a body that a service is told as a whole. */
  readonly body?: number | undefined;
}

/** The field `metadata` of a Route, where it needs one. */
export function routeMetadata({ bare, once, before, body }: GuardedRoute): Message {
  const told = {
    ...(bare ? { bare } : {}),
    ...(once ? { once } : {}),
    ...(body === undefined ? {} : { body }),
    ...changes(before),
  };
  return Object.keys(told).length === 0 ? {} : { metadata: { filter_metadata: { [GUARD]: told } } };
}

function changes({ dropped, appended }: HeaderPlan): Message {
  return {
    ...(dropped.size > 0 ? { drop: [...dropped].filter(isFieldName) } : {}),
    ...(appended.length > 0
      ? { add: appended.map((text, i) => (i % 2 === 0 ? text : Buffer.from(text, 'latin1').toString('utf8'))) }
      : {}),
  };
}

function keptConstant(octets: number): string {
  return `local KEPT = ${octets}\n`;
}

function constants({ frontend, validation, targetBytes, settles }: GuardedConnection): string {
  return [
    `local FRONTEND = ${frontend === undefined ? 'nil' : luaText(frontend)}`,
    `local VALIDATION = ${luaText(validation)}`,
    `local LONGEST, SETTLES = ${targetBytes}, ${settles}`,
    `local HEADER = ${luaText(SHARD_HEADER)}`,
    '',
  ].join('\n');
}

/** What the guard and what comes behind the services of a listener have in common. */
const common = String.raw`
local match = string.match

local function change(headers, told)
  local drop, add = told:get("drop"), told:get("add")
  if drop then for _, name in ipairs(drop) do headers:remove(name) end end
  if add then for i = 1, #add, 2 do headers:add(add[i], add[i + 1]) end end
  return drop or add
end

-- A kept connection may turn out to be closed: what can be repeated is sent once more.
local REPEATABLE = { GET = true, HEAD = true, PUT = true, DELETE = true, OPTIONS = true, TRACE = true }

-- Envoy lets pass what is longer in its last piece of HTTP/2, and tells the service only the beginning. What is longer than it keeps
-- is not waited for here.
local function isTooLong(handle, headers, limit)
  if not limit then return false end
  local length = headers:get("content-length")
  if length then return (tonumber(length) or 0) > limit end
  if limit > KEPT or handle:streamInfo():protocol() ~= "HTTP/2" then return false end
  local body = handle:body()
  return body and body:length() > limit
end

-- The status that ends the request and why, or nothing.
local function settle(handle, headers, route)
  if REPEATABLE[headers:get(":method")] and not (route and route:get("once")) then
    headers:replace("x-envoy-retry-on", "reset")
  end
  if not route then return end
  change(headers, route)
  if route:get("bare") then
    local named = headers:get(":authority") or ""
    local bare = match(named, "^(%[[^%]]*%])") or match(named, "^([^:]*)")
    if bare ~= named then headers:replace(":authority", bare) end
  end
  if isTooLong(handle, headers, route:get("body")) then return "413", "auth-body" end
end

local PHRASES = {
  ["200"] = "OK", ["400"] = "Bad Request", ["413"] = "Payload Too Large", ["414"] = "URI Too Long",
  ["421"] = "Misdirected Request", ["500"] = "Internal Server Error", ["501"] = "Not Implemented",
}

local function finish(handle, judge)
  local fine, status, reason = pcall(judge, handle)
  if not fine then
    handle:logErr("guard: " .. tostring(status))
    status, reason = "500", "guard"
  end
  if status then handle:respond({[":status"] = status}, status .. " " .. PHRASES[status] .. ": " .. reason .. "\n") end
end
`;

const settling =
  common +
  String.raw`
local function judge(handle)
  handle:clearRouteCache()
  return settle(handle, handle:headers(), handle:metadata())
end

function envoy_on_request(handle) finish(handle, judge) end
`;

const script =
  common +
  String.raw`
local find, sub, byte, gsub = string.find, string.sub, string.byte, string.gsub
local char, upper, tonumber = string.char, string.upper, tonumber
local concat, remove = table.concat, table.remove

local function unreserved(hex)
  local octet = char(tonumber(hex, 16))
  if find(octet, "^[%w%-._~]$") then return octet end
  return "%" .. upper(hex)
end

local function encodings(path)
  local at = find(path, "%", 1, true)
  while at do
    local hex = match(path, "^%x%x", at + 1)
    if not hex then return false end
    local octet = tonumber(hex, 16)
    if octet < 32 or octet == 92 or octet == 127 then return false end
    if octet >= 192 then
      if octet < 194 or octet > 244 then return false end
      if octet == 224 or octet == 240 then
        local second = tonumber(match(path, "^%%(%x%x)", at + 3) or "0", 16)
        if second < (octet == 224 and 160 or 144) then return false end
      end
    end
    at = find(path, "%", at + 3, true)
  end
  return true
end

local function hides(segment)
  if not (find(segment, "%2F", 1, true) or find(segment, ";", 1, true) or find(segment, "%3B", 1, true)) then return false end
  local from = 1
  while true do
    local cut = find(segment, "%2F", from, true)
    local part = sub(segment, from, cut and cut - 1 or -1)
    if part == "." or part == ".." or find(part, "^%.%.?;") or find(part, "^%.%.?%%3B") then return true end
    if not cut then return false end
    from = cut + 3
  end
end

local function normal(path)
  if byte(path) ~= 47 or find(path, "[^%w%-._~!$&'()*+,;=:@/%%|^%[%]{}]") then return nil end
  local encoded = find(path, "%", 1, true)
  if encoded then
    if not encodings(path) then return nil end
    path = gsub(path, "%%(%x%x)", unreserved)
  end
  if not find(path, "/.", 1, true) and not (encoded and find(path, "%2F.", 1, true)) then return path end
  local kept, from = {}, 2
  while true do
    local cut = find(path, "/", from, true)
    local segment = sub(path, from, cut and cut - 1 or -1)
    if hides(segment) then return nil end
    if segment == ".." then remove(kept) end
    if segment ~= "." and segment ~= ".." then kept[#kept + 1] = segment
    elseif not cut then kept[#kept + 1] = "" end
    if not cut then return "/" .. concat(kept, "/") end
    from = cut + 1
  end
end

local function decoded(text)
  if not find(text, "[%%+]") then return text end
  return (gsub(gsub(text, "%+", " "), "%%(%x%x)", function(hex) return char(tonumber(hex, 16)) end))
end

local function parameter(query, name)
  for part in string.gmatch(query, "[^&]+") do
    local equals = find(part, "=", 1, true)
    if decoded(sub(part, 1, equals and equals - 1 or -1)) == name then
      return decoded(equals and sub(part, equals + 1) or "")
    end
  end
end

-- Which part of a host takes the path (host-entries.ts).
local function partOf(path, depth, parts)
  local at, hash = 1, 0
  for _ = 1, depth do at = at and find(path, "/", at + 1, true) end
  for i = 1, at and at - 1 or #path do hash = (hash * 31 + byte(path, i)) % 65536 end
  return string.format("%d", hash % parts)
end

-- The status that ends the request and why, or nothing.
local function judge(handle)
  local headers = handle:headers()
  local method = headers:get(":method")
  if method == "CONNECT" then return "501", "not-honoured" end
  -- Several are one with commas.
  if find(headers:get(":authority") or "", "[^%w%-._~!$&'()*+;=:%%%[%]]") then return "400", "bad-host" end
  local target = headers:get(":path") or ""
  if #target > LONGEST then return "414", "bad-target" end
  local query, changed, path = "", false, target
  if target ~= "*" then
    local mark = find(target, "?", 1, true)
    if mark then
      path, query = sub(target, 1, mark - 1), sub(target, mark)
      if find(query, "[^%w%-._~!$&'()*+,;=:@/?%%|^%[%]{}\\` +
  '`' +
  String.raw`]", 2) then return "400", "bad-target" end
    end
    local normalised = normal(path)
    if not normalised then return "400", "bad-target" end
    if normalised ~= path then
      headers:replace(":path", normalised .. query)
      path, changed = normalised, true
    end
  end
  if method == "OPTIONS" or method == "TRACE" then
    local hops = headers:get("max-forwards")
    if hops and find(hops, "^%d+$") and #hops < 10 then
      if tonumber(hops) == 0 then return method == "OPTIONS" and "200" or "501", "max-forwards" end
      headers:replace("max-forwards", tostring(tonumber(hops) - 1))
    end
  end
  -- Of the route that was found before: the host does not depend on what is changed here.
  local host = handle:virtualHost():metadata()
  local insists = host:get("insists")
  if FRONTEND then
    local owner = host:get("frontend")
    if owner and owner ~= FRONTEND and handle:streamInfo():requestedServerName() ~= "" then return "421", "misdirected" end
  end
  if insists and insists ~= VALIDATION then return "421", "misdirected" end
  local queries = host:get("queries")
  if queries and query ~= "" then
    local metadata = handle:streamInfo():dynamicMetadata()
    query = sub(query, 2)
    for _, name in ipairs(queries) do
      local value = parameter(query, name)
      if value then metadata:set("${METADATA}", "${queryKey('')}" .. name, value) end
    end
    changed = true
  end
  local parts = host:get("parts")
  if parts then
    headers:replace(HEADER, parts .. partOf(path, host:get("depth"), host:get("of")))
    changed = true
  end
  if change(headers, host) or changed then handle:clearRouteCache() end
  if SETTLES then return settle(handle, headers, host:get("told") and handle:metadata()) end
  if isTooLong(handle, headers, host:get("body")) then return "413", "auth-body" end
end

function envoy_on_request(handle) finish(handle, judge) end
`;
