// Eight operations on two words of 16 bits.
module alu (input [2:0] operation, input [15:0] a, input [15:0] b, output reg [15:0] result, output zero);
    assign zero = result == 0;
    always @*
        case (operation)
            3'd0: result = a + b;
            3'd1: result = a - b;
            3'd2: result = a & b;
            3'd3: result = a | b;
            3'd4: result = a ^ b;
            3'd5: result = a << b[3:0];
            3'd6: result = a >> b[3:0];
            3'd7: result = $signed(a) < $signed(b);
        endcase
endmodule
