// CRC-32 (IEEE 802.3), one byte a clock.
module crc (input clock, input reset, input valid, input [7:0] data, output [31:0] sum);
    reg [31:0] state;
    assign sum = ~state;
    function [31:0] next(input [31:0] from, input [7:0] octet);
        integer i;
        begin
            next = from ^ octet;
            for (i = 0; i < 8; i = i + 1) next = next[0] ? (next >> 1) ^ 32'hedb88320 : next >> 1;
        end
    endfunction
    always @(posedge clock)
        if (reset) state <= 32'hffffffff;
        else if (valid) state <= next(state, data);
endmodule
