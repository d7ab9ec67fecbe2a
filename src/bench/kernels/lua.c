// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// The Lua interpreter (examples/lua/core.c) runs a script of closures, tables, strings, sorting and
// floating point.
#include "kernel.h"
#include "lauxlib.h"
#include "lualib.h"
#include "no_system.h"

static const char script[] =
    "local size = ...\n"
    "local sum, seed = 0, 42\n"
    "local function next(n)\n"
    "    seed = (seed * 1103515245 + 12345) % 2147483648\n"
    "    return seed // 65536 % n\n"
    "end\n"
    "local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end\n"
    "local Stack = {}\n"
    "Stack.__index = Stack\n"
    "function Stack.new() return setmetatable({top = 0}, Stack) end\n"
    "function Stack:push(x) self.top = self.top + 1; self[self.top] = x end\n"
    "function Stack:pop()\n"
    "    local x = self[self.top]\n"
    "    self[self.top] = nil\n"
    "    self.top = self.top - 1\n"
    "    return x\n"
    "end\n"
    "for round = 1, size do\n"
    "    sum = sum + fib(15)\n"
    "    local numbers = {}\n"
    "    for i = 1, 400 do numbers[i] = next(10000) end\n"
    "    table.sort(numbers, function(a, b) return a > b end)\n"
    "    for i = 1, 400, 40 do sum = sum + i * numbers[i] end\n"
    "    local words = {}\n"
    "    for i = 1, 200 do\n"
    "        words[#words + 1] = string.format('%d:%s', numbers[i], string.rep('x', i % 7))\n"
    "    end\n"
    "    local text, counts = table.concat(words, ' '), {}\n"
    "    for key, tail in text:gmatch('(%d+):(x*)') do\n"
    "        counts[tail] = (counts[tail] or 0) + tonumber(key)\n"
    "    end\n"
    "    for length = 0, 6 do sum = sum + (counts[string.rep('x', length)] or 0) * length end\n"
    "    sum = sum + #text:gsub('x+', function(found) return found:upper() .. #found end)\n"
    "    local stack = Stack.new()\n"
    "    for i = 1, 500 do stack:push(i * 1.5) end\n"
    "    local x = 0.0\n"
    "    while stack.top > 0 do x = x * 0.5 + math.sqrt(stack:pop()) end\n"
    "    sum = sum + math.floor(x * 1e9)\n"
    "end\n"
    "return sum\n";

EXPORT int64_t run(int32_t size) {
    lua_State* state = luaL_newstate();
    luaL_requiref(state, LUA_GNAME, luaopen_base, 1);
    luaL_requiref(state, LUA_TABLIBNAME, luaopen_table, 1);
    luaL_requiref(state, LUA_STRLIBNAME, luaopen_string, 1);
    luaL_requiref(state, LUA_MATHLIBNAME, luaopen_math, 1);
    lua_settop(state, 0);
    luaL_loadbufferx(state, script, sizeof script - 1, "kernel", "t");
    lua_pushinteger(state, size);
    lua_callk(state, 1, 1, 0, NULL);
    const int64_t sum = lua_tointegerx(state, -1, NULL);
    lua_close(state);
    return (int64_t)mix_in(hash_start, (uint64_t)sum);
}
