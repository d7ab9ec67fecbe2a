// Counts up or down, with a carry at both ends.
module counter #(parameter WIDTH = 8) (
    input clock, input reset, input enable, input down,
    output reg [WIDTH-1:0] value, output carry);
    assign carry = enable & (down ? value == 0 : &value);
    always @(posedge clock)
        if (reset) value <= 0;
        else if (enable) value <= down ? value - 1'b1 : value + 1'b1;
endmodule
