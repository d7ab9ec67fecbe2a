// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// Writes a JSON document of about 200 KiB, parses it into a tree and walks the tree, `size` times:
// recursion, pointers, bytes and decimal numbers.
#include "kernel.h"

#define TEXT_SIZE 262144
#define NODE_COUNT 65536
#define DEPTH_MAX 16

typedef enum { NOTHING, TRUTH, NUMBER, STRING, ARRAY, OBJECT } Kind;

typedef struct Node {
    Kind kind;
    uint32_t key_at, key_size;    // in an object
    uint32_t text_at, text_size;  // of a string
    double number;
    struct Node *first, *next;
} Node;

static uint8_t text[TEXT_SIZE];
static size_t text_size, at;
static Node nodes[NODE_COUNT];
static size_t node_count;
static uint64_t random_state;

static void put(const char* s) {
    while (*s != 0 && text_size < TEXT_SIZE)
        text[text_size++] = (uint8_t)*s++;
}

static void put_number(int64_t n) {
    char digits[24];
    int count = 23;
    digits[count] = 0;
    const int negative = n < 0;
    uint64_t u = negative ? (uint64_t)-n : (uint64_t)n;
    do {
        digits[--count] = (char)('0' + u % 10);
        u /= 10;
    } while (u != 0);
    if (negative) digits[--count] = '-';
    put(digits + count);
}

static void put_string(void) {
    char s[24];
    int length = 3 + (int)(next_random(&random_state) % 16);
    for (int i = 0; i < length; ++i)
        s[i] = (char)('a' + next_random(&random_state) % 26);
    if (length > 12) s[5] = ' ';
    s[length] = 0;
    put("\"");
    put(s);
    if (length % 4 == 0) put("\\n\\u00e9");
    put("\"");
}

static void put_value(int depth) {
    const uint64_t choice = next_random(&random_state) % (depth < 6 ? 10 : 6);
    if (choice < 3) {
        put_number((int64_t)(next_random(&random_state) >> 34) - (1 << 29));
        if (choice == 1) put(".");
        if (choice == 1) put_number((int64_t)(next_random(&random_state) % 100000));
        if (choice == 2) put("e-3");
    } else if (choice < 5) {
        put_string();
    } else if (choice == 5) {
        const uint64_t word = next_random(&random_state) % 3;
        put(word == 0 ? "true" : word == 1 ? "false" : "null");
    } else {
        const int object = choice >= 8;
        put(object ? "{" : "[");
        const uint64_t count = 1 + next_random(&random_state) % 7;
        for (uint64_t i = 0; i < count; ++i) {
            if (i > 0) put(", ");
            if (object) put_string();
            if (object) put(": ");
            put_value(depth + 1);
        }
        put(object ? "}" : "]");
    }
}

static void skip_space(void) {
    while (at < text_size && (text[at] == ' ' || text[at] == '\n'))
        ++at;
}

static void read_string(uint32_t* start, uint32_t* size) {
    *start = (uint32_t)++at;
    while (at < text_size && text[at] != '"')
        at += text[at] == '\\' ? 2 : 1;
    *size = (uint32_t)at - *start;
    ++at;
}

static double read_number(void) {
    const int negative = text[at] == '-';
    if (negative) ++at;
    double value = 0;
    while (text[at] >= '0' && text[at] <= '9')
        value = value * 10 + (text[at++] - '0');
    if (text[at] == '.') {
        double unit = 1;
        for (++at; text[at] >= '0' && text[at] <= '9'; ++at)
            value += (text[at] - '0') * (unit /= 10);
    }
    if (text[at] == 'e') {
        int exponent = 0;
        for (at += 2; text[at] >= '0' && text[at] <= '9'; ++at)
            exponent = exponent * 10 + (text[at] - '0');
        while (exponent-- > 0)
            value /= 10;
    }
    return negative ? -value : value;
}

static Node* parse(int depth) {
    if (node_count == NODE_COUNT || depth > DEPTH_MAX) return 0;
    Node* node = &nodes[node_count++];
    *node = (Node){NOTHING, 0, 0, 0, 0, 0, 0, 0};
    skip_space();
    switch (text[at]) {
        case '"':
            node->kind = STRING;
            read_string(&node->text_at, &node->text_size);
            return node;
        case 't':
            node->kind = TRUTH;
            node->number = 1;
            at += 4;
            return node;
        case 'f':
            node->kind = TRUTH;
            at += 5;
            return node;
        case 'n':
            at += 4;
            return node;
        case '[':
        case '{': {
            const int object = text[at] == '{';
            node->kind = object ? OBJECT : ARRAY;
            Node** tail = &node->first;
            while (at < text_size && text[at] != ']' && text[at] != '}') {
                ++at;
                skip_space();
                uint32_t key_at = 0, key_size = 0;
                if (object) read_string(&key_at, &key_size);
                if (object) ++at;
                Node* child = parse(depth + 1);
                if (child == 0) return 0;
                child->key_at = key_at;
                child->key_size = key_size;
                *tail = child;
                tail = &child->next;
            }
            ++at;
            return node;
        }
        default:
            node->kind = NUMBER;
            node->number = read_number();
            return node;
    }
}

static uint64_t walk(const Node* node, uint64_t hash) {
    hash = mix_in(hash, (uint64_t)node->kind);
    for (uint32_t i = 0; i < node->key_size; ++i)
        hash = mix_in(hash, text[node->key_at + i]);
    for (uint32_t i = 0; i < node->text_size; ++i)
        hash = mix_in(hash, text[node->text_at + i]);
    hash = mix_in(hash, bits_of(node->number));
    for (const Node* child = node->first; child != 0; child = child->next)
        hash = walk(child, hash);
    return hash;
}

EXPORT int64_t run(int32_t size) {
    uint64_t hash = hash_start;
    for (int32_t round = 0; round < size; ++round) {
        random_state = 5 + (uint64_t)round;
        text_size = at = node_count = 0;
        put("[0");
        while (text_size < TEXT_SIZE - 65536) {
            const size_t before = text_size;
            put(", ");
            put_value(0);
            if (text_size - before > 60000) break;
        }
        put("]");
        const Node* root = parse(0);
        if (root == 0 || at != text_size) return -1;
        hash = walk(root, hash);
    }
    return (int64_t)hash;
}
