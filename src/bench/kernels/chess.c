// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// Counts the legal chess games of three half-moves from a busy position, `size` times. The move
// generators are reached through a table of functions, so this is the kernel of indirect calls.
//
// The position is the one known as Kiwipete; from it 97,862 games of three half-moves are legal
// (chessprogramming.org, "Perft Results"), and the kernel checks that.
#include "kernel.h"

enum { EMPTY, PAWN, KNIGHT, BISHOP, ROOK, QUEEN, KING };
enum { WHITE = 0, BLACK = 8, KIND = 7 };
enum { WHITE_SHORT = 1, WHITE_LONG = 2, BLACK_SHORT = 4, BLACK_LONG = 8 };

// Squares are 16 * rank + file; one with a bit of 0x88 is off the board.
typedef struct {
    uint8_t square[128];
    uint8_t king[2];
    uint8_t castling;
    uint8_t passant;  // the square behind a pawn that has just run two, or 0x88
    uint8_t turn;     // WHITE or BLACK
} Board;

typedef struct {
    uint8_t from, to, promoted, special;  // special: 1 en passant, 2 castling, 3 double step
} Move;

typedef struct {
    Move moves[256];
    int count;
} Moves;

static const int8_t knight_steps[8] = {33, 31, 18, 14, -33, -31, -18, -14};
static const int8_t king_steps[8] = {1, -1, 16, -16, 17, 15, -17, -15};  // straight, then diagonal

static void add(Moves* list, int from, int to, int promoted, int special) {
    list->moves[list->count++] =
        (Move){(uint8_t)from, (uint8_t)to, (uint8_t)promoted, (uint8_t)special};
}

static int is_enemy(const Board* b, int at) {
    return b->square[at] != EMPTY && ((b->square[at] ^ b->turn) & 8) != 0;
}

static int is_attacked(const Board* b, int at, int by) {
    const int forward = by == WHITE ? 16 : -16;
    for (int side = -1; side <= 1; side += 2) {
        const int from = at - forward + side;
        if (!(from & 0x88) && b->square[from] == (PAWN | by)) return 1;
    }
    for (int i = 0; i < 8; ++i) {
        int from = at + knight_steps[i];
        if (!(from & 0x88) && b->square[from] == (KNIGHT | by)) return 1;
        from = at + king_steps[i];
        if (!(from & 0x88) && b->square[from] == (KING | by)) return 1;
        while (!(from & 0x88) && b->square[from] == EMPTY)
            from += king_steps[i];
        if (from & 0x88) continue;
        const int piece = b->square[from];
        if (piece == (QUEEN | by) || piece == ((i < 4 ? ROOK : BISHOP) | by)) return 1;
    }
    return 0;
}

static void add_pawn(Moves* list, int from, int to, int special) {
    const int rank = to >> 4;
    if (rank != 0 && rank != 7) {
        add(list, from, to, EMPTY, special);
        return;
    }
    for (int piece = KNIGHT; piece <= QUEEN; ++piece)
        add(list, from, to, piece, 0);
}

static void pawn_moves(const Board* b, int from, Moves* list) {
    const int forward = b->turn == WHITE ? 16 : -16;
    const int to = from + forward;
    if (b->square[to] == EMPTY) {
        add_pawn(list, from, to, 0);
        if (from >> 4 == (b->turn == WHITE ? 1 : 6) && b->square[to + forward] == EMPTY) {
            add(list, from, to + forward, EMPTY, 3);
        }
    }
    for (int side = -1; side <= 1; side += 2) {
        const int aside = to + side;
        if (aside & 0x88) continue;
        if (is_enemy(b, aside)) add_pawn(list, from, aside, 0);
        if (aside == b->passant) add(list, from, aside, EMPTY, 1);
    }
}

static void step_moves(const Board* b, int from, Moves* list, const int8_t* steps) {
    for (int i = 0; i < 8; ++i) {
        const int to = from + steps[i];
        if (to & 0x88) continue;
        if (b->square[to] == EMPTY || is_enemy(b, to)) add(list, from, to, EMPTY, 0);
    }
}

static void slide_moves(const Board* b, int from, Moves* list, int first, int last) {
    for (int i = first; i < last; ++i) {
        int to = from + king_steps[i];
        for (; !(to & 0x88) && b->square[to] == EMPTY; to += king_steps[i])
            add(list, from, to, EMPTY, 0);
        if (!(to & 0x88) && is_enemy(b, to)) add(list, from, to, EMPTY, 0);
    }
}

static void knight_moves(const Board* b, int from, Moves* list) {
    step_moves(b, from, list, knight_steps);
}
static void bishop_moves(const Board* b, int from, Moves* list) {
    slide_moves(b, from, list, 4, 8);
}
static void rook_moves(const Board* b, int from, Moves* list) {
    slide_moves(b, from, list, 0, 4);
}
static void queen_moves(const Board* b, int from, Moves* list) {
    slide_moves(b, from, list, 0, 8);
}

static void king_moves(const Board* b, int from, Moves* list) {
    step_moves(b, from, list, king_steps);
    const int enemy = b->turn ^ 8;
    const int short_right = b->turn == WHITE ? WHITE_SHORT : BLACK_SHORT;
    const int long_right = b->turn == WHITE ? WHITE_LONG : BLACK_LONG;
    if (!(b->castling & (short_right | long_right)) || is_attacked(b, from, enemy)) return;
    if (b->castling & short_right && b->square[from + 1] == EMPTY && b->square[from + 2] == EMPTY &&
        !is_attacked(b, from + 1, enemy)) {
        add(list, from, from + 2, EMPTY, 2);
    }
    if (b->castling & long_right && b->square[from - 1] == EMPTY && b->square[from - 2] == EMPTY &&
        b->square[from - 3] == EMPTY && !is_attacked(b, from - 1, enemy)) {
        add(list, from, from - 2, EMPTY, 2);
    }
}

typedef void (*Generator)(const Board*, int, Moves*);
static Generator generators[7] = {0,          pawn_moves,  knight_moves, bishop_moves,
                                  rook_moves, queen_moves, king_moves};

static int right_of(int square) {
    switch (square) {
        case 0x00:
            return WHITE_LONG;
        case 0x07:
            return WHITE_SHORT;
        case 0x04:
            return WHITE_LONG | WHITE_SHORT;
        case 0x70:
            return BLACK_LONG;
        case 0x77:
            return BLACK_SHORT;
        case 0x74:
            return BLACK_LONG | BLACK_SHORT;
        default:
            return 0;
    }
}

static void make(Board* b, Move m) {
    const int piece = b->square[m.from];
    b->square[m.from] = EMPTY;
    b->square[m.to] = m.promoted != EMPTY ? (uint8_t)(m.promoted | b->turn) : (uint8_t)piece;
    b->passant = 0x88;
    if (m.special == 1) b->square[b->turn == WHITE ? m.to - 16 : m.to + 16] = EMPTY;
    if (m.special == 2) {
        const int kingside = m.to > m.from;
        b->square[kingside ? m.to + 1 : m.to - 2] = EMPTY;
        b->square[kingside ? m.to - 1 : m.to + 1] = (uint8_t)(ROOK | b->turn);
    }
    if (m.special == 3) b->passant = (uint8_t)((m.from + m.to) / 2);
    if ((piece & KIND) == KING) b->king[b->turn >> 3] = m.to;
    b->castling &= (uint8_t) ~(right_of(m.from) | right_of(m.to));
    b->turn ^= 8;
}

static uint64_t count_games(const Board* b, int depth) {
    Moves list;
    list.count = 0;
    for (int at = 0; at < 128; ++at) {
        if (at & 0x88) continue;
        const int piece = b->square[at];
        if (piece != EMPTY && (piece & 8) == b->turn) generators[piece & KIND](b, at, &list);
    }
    uint64_t count = 0;
    for (int i = 0; i < list.count; ++i) {
        Board next = *b;
        make(&next, list.moves[i]);
        if (is_attacked(&next, next.king[b->turn >> 3], next.turn)) continue;
        count += depth == 1 ? 1 : count_games(&next, depth - 1);
    }
    return count;
}

static Board busy_position(void) {
    static const char* ranks[8] = {"R...K..R", "PPPBBPPP", "..N..Q.p", ".p..P...",
                                   "...PN...", "bn..pnp.", "p.ppqpb.", "r...k..r"};
    static const char letters[] = ".PNBRQK";
    Board b = {{0}, {0x04, 0x74}, 15, 0x88, WHITE};
    for (int rank = 0; rank < 8; ++rank) {
        for (int file = 0; file < 8; ++file) {
            const char c = ranks[rank][file];
            const int black = c >= 'a';
            for (int kind = PAWN; kind <= KING; ++kind) {
                if (letters[kind] == (black ? c - 32 : c)) {
                    b.square[16 * rank + file] = (uint8_t)(kind | (black ? BLACK : WHITE));
                }
            }
        }
    }
    return b;
}

EXPORT int64_t run(int32_t size) {
    uint64_t hash = hash_start;
    for (int32_t round = 0; round < size; ++round) {
        const Board b = busy_position();
        const uint64_t games = count_games(&b, 3);
        if (games != 97862) return -(int64_t)games;
        hash = mix_in(hash, games + (uint64_t)round);
    }
    return (int64_t)hash;
}
