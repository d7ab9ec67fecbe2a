// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Prints the EIP-712 digests and signatures that src/types/settlement_test.cpp holds as constants:
//   node test/interop/eip712_vectors.mjs        (after npm ci in contracts/)
import { ethers } from "../../contracts/node_modules/ethers/lib.esm/index.js";
const h=(s)=>ethers.keccak256(ethers.toUtf8Bytes(s));
const key=new ethers.Wallet(h("millrace test key"));
const domain=(c)=>({name:"Millrace",version:"1",chainId:5065036n,verifyingContract:c,salt:h("genesis")});
const deposits="0x4d494c0000000000000000000000000000000001", jobs="0x4d494c0000000000000000000000000000000003";
const out={};
const T={
Lease:[["bytes32","job"],["bytes32","task"],["uint32","replica"],["address","requestor"],["address","provider"],["uint64","fuelLimit"],["uint256","price"],["uint64","deadline"]],
Commitment:[["bytes32","lease"],["bytes32","commitment"]],
Receipt:[["bytes32","lease"],["bytes32","task"],["bytes32","resultId"],["uint64","fuel"]],
Voucher:[["address","payer"],["address","payee"],["uint256","allocation"],["uint256","cumulative"],["uint64","tasks"]]};
const V={
Lease:[jobs,{job:h("job"),task:h("task"),replica:7,requestor:"0x1111111111111111111111111111111111111111",provider:"0x2222222222222222222222222222222222222222",fuelLimit:(1n<<40n),price:123456789012345678901234567890n,deadline:1793000000n}],
Commitment:[jobs,{lease:h("lease"),commitment:h("commitment")}],
Receipt:[jobs,{lease:h("lease"),task:h("task"),resultId:h("result"),fuel:987654321n}],
Voucher:[deposits,{payer:"0x1111111111111111111111111111111111111111",payee:"0x2222222222222222222222222222222222222222",allocation:3n,cumulative:(1n<<200n)+5n,tasks:12n}]};
console.log("address",key.address);
for(const n of Object.keys(T)){const types={[n]:T[n].map(([type,name])=>({type,name}))};const [c,v]=V[n];
 const d=domain(c);console.log(n,"separator",ethers.TypedDataEncoder.hashDomain(d));
 console.log(n,"struct",ethers.TypedDataEncoder.hashStruct(n,types,v));
 console.log(n,"digest",ethers.TypedDataEncoder.hash(d,types,v));
 console.log(n,"signature",await key.signTypedData(d,types,v));}
