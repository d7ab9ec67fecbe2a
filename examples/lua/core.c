// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// Lua's library as one object, from the files of its Debian source package. Lua leaves C functions
// by longjmp or by exceptions, and profile det-1 has neither: so a script's first error ends the
// program with what lua would say and status 1, also below pcall, and coroutines cannot yield. There
// is no seed from the clock, no temporary file and no other program to start, natively neither: both
// builds say the same.
#define LUA_CORE
#define LUA_LIB
#define ltable_c
#define lvm_c
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lua.h"

_Noreturn static void end_with_error(lua_State* state, int status) {
    const char* text = status == LUA_YIELD    ? "this build of Lua cannot yield"
                       : status == LUA_ERRMEM ? "not enough memory"
                                              : lua_tostring(state, -1);
    fprintf(stderr, "lua: %s\n", text != NULL ? text : "an error that is no text");
    exit(1);
}
#define LUAI_THROW(L, c) end_with_error((L), (c)->status)
#define LUAI_TRY(L, c, a) \
    { a }
#define luai_jmpbuf int
#define luai_makeseed(L) 1U
#define system(command) ((void)(command), 0)
#define tmpfile() NULL
#define lua_tmpnam(name, failed) (failed = 1)
#define LUA_TMPNAMBUFSIZE 32
#define clock() ((clock_t)0)

#include "lapi.c"
#include "lauxlib.c"
#include "lbaselib.c"
#include "lcode.c"
#include "lcorolib.c"
#include "lctype.c"
#include "ldblib.c"
#include "ldebug.c"
#include "ldo.c"
#include "ldump.c"
#include "lfunc.c"
#include "lgc.c"
#include "linit.c"
#include "liolib.c"
#include "llex.c"
#include "lmathlib.c"
#include "lmem.c"
#include "loadlib.c"
#include "lobject.c"
#include "lopcodes.c"
#include "loslib.c"
#include "lparser.c"
#include "lstate.c"
#include "lstring.c"
#include "lstrlib.c"
#include "ltable.c"
#include "ltablib.c"
#include "ltm.c"
#include "lundump.c"
#include "lutf8lib.c"
#include "lvm.c"
#include "lzio.c"
