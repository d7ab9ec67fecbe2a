// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
pragma solidity ^0.8.24;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

/// Badges with running numbers; whoever asks gets one.
contract Badge is ERC721 {
    uint256 public count;

    constructor() ERC721("Badge", "BDG") {}

    function mint(address to) external returns (uint256 id) {
        id = ++count;
        _safeMint(to, id);
    }
}
